//! The time of each workload on this machine: `cargo bench -p muster-bench`. The unit of the rate is the workload's.

use std::time::Duration;

use criterion::{Criterion, Throughput};
use muster_bench::WORKLOADS;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for workload in WORKLOADS {
        let mut group = criterion.benchmark_group(workload.name);
        group.throughput(Throughput::Elements(workload.units));
        let mut run = (workload.prepare)();
        group.bench_function(workload.unit, |bencher| bencher.iter(&mut run));
        group.finish();
    }
    criterion.final_summary();
}
