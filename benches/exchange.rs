//! Times the exchange of sums between the processes of a training, by their size:
//!
//! ```text
//! cargo build --release --package frit --features mpi --example exchange
//! mpirun -n 4 target/release/examples/exchange
//! ```
//!
//! Each row is the median of rounds in which every process waits for the slowest one. `moved` is the time for the bytes
//! to each process and back, `all` that with the copies and additions on the host.

use frit::run::launch::Launched;
use frit::run::mpi::Processes;
use gpu_core::Exchange;
use std::time::{Duration, Instant};

/// Rounds of the smallest size; larger ones have fewer.
const ROUNDS: usize = 200;

fn main() {
    let Some(launched) = Launched::of_environment() else {
        println!("start it with mpirun -n N, for at least two processes");
        return;
    };
    let processes = Processes::connect(launched).expect("MPI starts");
    let mut exchange = processes.exchange();
    if processes.rank == 0 {
        println!("{} processes", processes.ranks);
        println!("{:>10} {:>12} {:>12}", "numbers", "moved, us", "all, us");
    }
    for numbers in [1, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
        let values = vec![1.5f32; numbers];
        let rounds = ROUNDS.min(100_000_000 / numbers / 2).max(5);
        let rounds: Vec<_> = (0..rounds).map(|_| round(&mut exchange, &values)).collect();
        let median = |time: fn(&[Duration; 2]) -> Duration| {
            let mut times: Vec<Duration> = rounds.iter().map(time).collect();
            times.sort();
            1e6 * times[times.len() / 2].as_secs_f64()
        };
        if processes.rank == 0 {
            println!("{numbers:>10} {:>12.1} {:>12.1}", median(|[moved, _]| *moved), median(|[_, all]| *all));
        }
    }
}

/// Adds the numbers of all processes, as a step does. Returns the time of moving bytes, and the whole time.
fn round(exchange: &mut dyn Exchange, values: &[f32]) -> [Duration; 2] {
    exchange.all_gather(Vec::new()).expect("all processes run");
    let (start, ranks) = (Instant::now(), exchange.ranks());
    let at = |slice: usize| values.len() * slice / ranks;
    let bytes = |values: &[f32]| bytemuck::cast_slice::<f32, u8>(values).to_vec();
    let parts = (0..ranks).map(|slice| bytes(&values[at(slice)..at(slice + 1)])).collect();
    let sending = Instant::now();
    let parts = exchange.all_to_all(parts).expect("all processes run");
    let mut moved = sending.elapsed();
    let mut sum: Vec<f32> = bytemuck::pod_collect_to_vec(&parts[0]);
    for part in &parts[1..] {
        let terms = part.chunks_exact(size_of::<f32>()).map(bytemuck::pod_read_unaligned::<f32>);
        sum.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }
    let sum = bytes(&sum);
    let gathering = Instant::now();
    let sums = exchange.all_gather(sum).expect("all processes run");
    moved += gathering.elapsed();
    let sums: Vec<f32> = bytemuck::pod_collect_to_vec(&sums.concat());
    let all = start.elapsed();
    assert!(sums.iter().all(|&sum| sum == 1.5 * ranks as f32), "a wrong sum");
    [moved, all]
}
