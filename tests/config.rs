//! CONFIG and the configuration file.
