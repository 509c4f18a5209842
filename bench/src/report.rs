//! The table and the JSON.

use crate::cases::Measure;
use crate::measure::Finding;
use std::fmt::Write;

/// What stands above the table.
pub const HEADER: &str = "\
case                   side          kreq/s  busy  cpu us/req    p50 us    p99 us  p99.9 us  p99.99 us    max us   B/key
";

/// One case: a line for each side and one for the ratio.
pub fn text(finding: &Finding) -> String {
    let mut out = String::new();
    for (side, name) in finding.names.iter().enumerate() {
        let latency = finding.latency(side);
        let us = |q: f64| latency.quantile(q) as f64 / 1000.0;
        let rate = finding.median_of(side, |sample| sample.rate() / 1000.0);
        let cpu = finding.median_of(side, |sample| sample.cpu_us_per_request());
        let memory = finding.median_of(side, |sample| sample.overhead());
        let memory = if finding.case.measure == Measure::Cpu { "-".into() } else { format!("{memory:.1}") };
        let title = if side == 0 { finding.case.name } else { "" };
        let _ = writeln!(
            out,
            "{title:<22} {name:<10} {rate:>9.1} {:>4.0}% {cpu:>11.3} {:>9.1} {:>9.1} {:>9.1} {:>10.1} {:>9.1} {memory:>7}",
            rate * cpu / 10.0,
            us(0.5),
            us(0.99),
            us(0.999),
            us(0.9999),
            latency.max() as f64 / 1000.0,
        );
    }
    let (ratio, spread) = finding.ratio();
    let what = match finding.case.measure {
        Measure::Cpu => "processor time per request",
        Measure::Memory => "resident bytes over key + value",
        Measure::Insert => "worst batch latency",
    };
    let verdict = match finding.case.target {
        Some(target) if ratio <= target => format!("target <= {target:.2}: pass"),
        Some(target) => format!("target <= {target:.2}: MISS"),
        None => "no target".to_owned(),
    };
    let pairs = finding.pairs.len();
    let _ = writeln!(out, "{:22} ratio {ratio:.3} +-{spread:.3} of {pairs} ({what}); {verdict}", "");
    out
}

/// All findings as one JSON array.
pub fn json(findings: &[Finding]) -> String {
    let object = |finding: &Finding| {
        let (ratio, spread) = finding.ratio();
        let sides: Vec<String> = (0..2).map(|side| side_json(finding, side)).collect();
        let target = finding.case.target.map_or("null".to_owned(), |target| target.to_string());
        format!(
            "{{\"case\":\"{}\",\"keys\":{},\"pipeline\":{},\"ratio\":{ratio:.4},\"spread\":{spread:.4},\"target\":{target},\"sides\":[{}]}}",
            finding.case.name,
            finding.case.keys,
            finding.case.pipeline,
            sides.join(",")
        )
    };
    format!("[\n{}\n]\n", findings.iter().map(object).collect::<Vec<_>>().join(",\n"))
}

fn side_json(finding: &Finding, side: usize) -> String {
    let latency = finding.latency(side);
    format!(
        "{{\"name\":\"{}\",\"requests_per_second\":{:.0},\"cpu_us_per_request\":{:.4},\"p50_ns\":{},\"p99_ns\":{},\
         \"p999_ns\":{},\"p9999_ns\":{},\"max_ns\":{},\"bytes_per_key_over_data\":{:.2}}}",
        finding.names[side],
        finding.median_of(side, |sample| sample.rate()),
        finding.median_of(side, |sample| sample.cpu_us_per_request()),
        latency.quantile(0.5),
        latency.quantile(0.99),
        latency.quantile(0.999),
        latency.quantile(0.9999),
        latency.max(),
        finding.median_of(side, |sample| sample.overhead()),
    )
}
