//! A pool of earlier images: a discriminator then sees new images and some that the generator made before (Shrivastava,
//! Pfister, Tuzel, Susskind, Wang and Webb, *Learning from simulated and unsupervised images through adversarial
//! training*, 2017, §2.3; 50 images in CycleGAN: Zhu, Park, Isola and Efros, 2017).

use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, update, write};
use crate::{Buf, Dtype, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of both kernels.
    pub struct ReplayPoolParams {
        /// Images of the batch.
        n: u32,
        /// Numbers of an image.
        width: u32,
        /// The most images in the pool.
        size: u32,
    }
}

/// Uniform numbers in (0, 1) for each image.
pub const DRAWS: usize = 2;

/// The most images in a pool, for exact arithmetic of their indices.
pub const MAX_SIZE: usize = 1 << 16;

const INVOCATIONS: usize = 64;

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    workgroup: [u32; 3],
    reference: Functions,
    gradient: Gradient,
) -> Kernel {
    Kernel {
        name,
        op: "replay_pool",
        source: shader!("replay_pool", "grid"),
        bindings,
        params: ReplayPoolParams::FIELDS,
        overrides: &[],
        workgroup,
        variants: &[],
        reference,
        gradient,
    }
}

/// y [n, width]: each image of the batch, or one of the pool in exchange for it.
pub static REPLAY_POOL: Kernel = kernel(
    "replay_pool",
    &[read("images"), read("draws"), read("count").of_u32(), update("pool").in_part(), write("y")],
    [INVOCATIONS as u32, 1, 1],
    functions!(reference::replay_pool::replay_pool),
    Gradient::None("its images are detached: only a discriminator learns from them"),
);

/// `count[0]` ← min(size, `count[0]` + n).
pub static REPLAY_POOL_COUNT: Kernel = kernel(
    "replay_pool_count",
    &[update("advanced").of_u32()],
    [1, 1, 1],
    functions!(reference::replay_pool::replay_pool_count),
    Gradient::None("a counter"),
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&REPLAY_POOL, &REPLAY_POOL_COUNT];

/// The images [n, width], in order, through a pool: [n, width]. While `pool` [size, width] has fewer than `size`, an
/// image is stored there and returned. Afterwards it is, with a probability of ½, exchanged for one of the pool at
/// random, which is returned, and otherwise returned and not stored. Micro-batches in order give what one batch gives.
///
/// `count` is `u32 [4]`, of which the first is the number of images stored so far, from zero. `draws` [n, 2] are
/// uniform in (0, 1).
///
/// # Panics
/// If an image of the batch and one of the pool have different sizes, the pool has no image or more than [`MAX_SIZE`],
/// `count` is not `u32 [4]`, or `draws` does not have [`DRAWS`] numbers for each image.
pub fn exchange(s: &mut Schedule, label: &str, images: Buf, pool: Buf, count: Buf, draws: Buf) -> Buf {
    let (n, width, size) = (images.shape.rows(), images.shape.cols(), pool.shape.rows());
    assert_eq!(pool.shape.cols(), width, "{label}: a pool of shape {} for {}", pool.shape, images.shape);
    assert!((1..=MAX_SIZE).contains(&size), "{label}: a pool of {size} images");
    assert!(count.len() == 4 && count.dtype == Dtype::U32, "{label}: the count has shape {}", count.shape);
    assert_eq!(draws.len(), DRAWS * n, "{label}: draws of shape {} for {n} images", draws.shape);
    let y = s.scratch(images.shape);
    let params = ReplayPoolParams { n: n as u32, width: width as u32, size: size as u32 };
    let grid = Grid::Linear(width.div_ceil(INVOCATIONS));
    s.push(&REPLAY_POOL, label, &[images, draws, count, pool, y], &params, grid, 2 * y.len() as u64);
    s.push(&REPLAY_POOL_COUNT, &format!("{label}.count"), &[count], &params, Grid::Linear(1), 1);
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, Executor, Memory, Reference, Sharing};
    use std::collections::BTreeSet;

    const SIZE: usize = 3;
    const IMAGES: usize = 40;

    /// Returned images, the pool and the count after such batches of images [n, 2] with the numbers from 1 on.
    fn through(batches: &[usize]) -> [Vec<f64>; 3] {
        let mut memory = Memory::default();
        let pool = memory.add("pool", [SIZE, 2], Dtype::F32);
        let count = memory.add("count", [4], Dtype::U32);
        let mut cpu = Reference::new(memory, Sharing::On);
        let (mut first, mut returned) = (0, Vec::new());
        for &n in batches {
            let mut s = Schedule::new();
            let (images, draws) = (s.scratch([n, 2]), s.scratch([n, DRAWS]));
            [images, draws].into_iter().for_each(|buf| s.feed(buf));
            let y = exchange(&mut s, "pool", images, pool, count, draws);
            s.keep(y);
            let program = cpu.prepare(&s).unwrap();
            let numbers = (2 * first..2 * (first + n)).map(|i| i as f64 + 1.0).collect();
            cpu.write(images, &Array::F64(numbers)).unwrap();
            // Multiples of an irrational number, modulo 1.
            let uniform = (2 * first..2 * (first + n)).map(|i| ((i + 1) as f64 * 2f64.sqrt()).fract()).collect();
            cpu.write(draws, &Array::F64(uniform)).unwrap();
            let ticket = cpu.submit(&[program], 1, &[y]).unwrap();
            returned.extend(cpu.wait(ticket).unwrap()[0].to_f64());
            first += n;
        }
        [returned, cpu.read(pool).unwrap().to_f64(), cpu.read(count).unwrap().to_f64()]
    }

    #[test]
    fn micro_batches_give_what_one_batch_gives() {
        let whole = through(&[IMAGES]);
        for batches in [vec![1; IMAGES], vec![2, 3, 35], vec![7, 13, 20], vec![3, 37]] {
            assert_eq!(through(&batches), whole, "{batches:?}");
        }
        assert_eq!(whole[2], [SIZE as f64, 0.0, 0.0, 0.0]);
    }

    /// The images returned and those left in the pool are those that came, the stored ones twice.
    #[test]
    fn no_image_is_lost() {
        let [returned, pool, _] = through(&[IMAGES]);
        assert_eq!(returned[..2 * SIZE], (1..=2 * SIZE).map(|i| i as f64).collect::<Vec<_>>());
        let firsts = |numbers: &[f64]| numbers.chunks(2).map(|image| image[0] as usize).collect::<Vec<_>>();
        let all: BTreeSet<usize> = [firsts(&returned), firsts(&pool)].concat().into_iter().collect();
        assert_eq!(all, (0..IMAGES).map(|i| 2 * i + 1).collect());
        let earlier = firsts(&returned).into_iter().enumerate().filter(|(i, image)| *image < 2 * i + 1).count();
        assert!((IMAGES / 4..3 * IMAGES / 4).contains(&earlier), "{earlier} of {IMAGES} are earlier ones");
    }
}
