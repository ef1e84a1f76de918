//! What reading 500 real cgroups costs: their memory, memory pressure and CPU.

use std::fs::File;
use std::hint::black_box;
use std::io::Read as _;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gadget_benches::{OwnGroups, ThreadCpu, criterion};
use gadget_core::{Bytes, Scope, SignalProvider, Signals, Silent, Timestamp};
use gadget_signals::{Calm, CgroupFiles, Cgroups};

const GROUPS: u32 = 500;

fn cgroups(c: &mut Criterion<ThreadCpu>) {
    let groups = match OwnGroups::make(GROUPS, Bytes::from_mib(64)) {
        Ok(groups) => groups,
        Err(error) => {
            eprintln!("SKIPPED cgroups/*: no cgroups can be made here: {error:#}");
            return;
        }
    };
    let files = groups.files();
    let mut group = c.benchmark_group("cgroups");
    group.throughput(Throughput::Elements(u64::from(GROUPS)));
    let mut text = vec![0; 16 << 10];
    group.bench_function("by_full_path (baseline)", |b| {
        b.iter(|| {
            for path in &files {
                let read = File::open(path).and_then(|mut file| file.read(&mut text));
                black_box(read.expect("the group is there"));
            }
        });
    });
    for (name, calm) in [
        ("every_file_kept_open (budget 0.5x by_full_path)", Calm::never()),
        ("as_shipped (budget 0.5x by_full_path)", Calm::default()),
    ] {
        let cgroups = Cgroups::detect().expect("cgroups are mounted");
        let cgroups = cgroups.subtree(&groups.path()).with(CgroupFiles::CPU).calm(calm);
        sweeps(&mut group, name, cgroups.keep_open(16 << 10));
    }
    sweeps(&mut group, "silent", Silent);
    group.finish();
    println!("{} files of {GROUPS} groups", files.len());
}

fn sweeps(
    group: &mut criterion::BenchmarkGroup<'_, ThreadCpu>,
    name: &str,
    mut provider: impl SignalProvider,
) {
    let mut now = Timestamp::from_secs(1_700_000_000);
    let mut signals = Signals::default();
    let mut sweep = move || {
        now = now + Duration::from_secs(1);
        signals.restart(now);
        provider.sample(now, Scope::Everything, &mut signals).expect("the groups can be read");
        signals.as_slice().len()
    };
    for _ in 0..20 {
        sweep();
    }
    group.bench_function(name, |b| b.iter(&mut sweep));
}

criterion_group!(name = cpu; config = criterion(ThreadCpu); targets = cgroups);
criterion_main!(cpu);
