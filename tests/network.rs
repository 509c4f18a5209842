//! Listeners, limits, slow and idle clients, shutdown.
