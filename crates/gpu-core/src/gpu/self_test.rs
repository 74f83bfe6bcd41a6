//! Self-tests of optional features before first use, because some drivers report subgroups that do not work.

use super::device::Device;
use super::run::Gpu;
use crate::ops::matmul::{Form, PLAIN, product};
use crate::{Array, Error, Executor, Memory, Needs, Reference, Schedule, Sharing, VariantPolicy};

/// Compares a small product by variants with these requirements against the reference executor.
pub(crate) fn run(device: &Device, needs: Needs) -> bool {
    let (suffix, tolerance) = match needs {
        Needs::Nothing | Needs::FewColumns | Needs::Tuning | Needs::Quads => return true,
        Needs::EightLanes | Needs::EightLanesQuads | Needs::EightLanesBlocks => ("_lanes_tall", 1e-5),
        Needs::Half => ("_half", 1e-2),
        Needs::Cooperative(8) => ("_cooperative_8", 1e-2),
        Needs::Cooperative(_) => ("_cooperative_16", 1e-2),
    };
    match error(device, suffix) {
        Ok(error) if error < tolerance => true,
        Ok(error) => {
            log::warn!("{}: not using shader variants {suffix}: self-test error {error:e}", device.caps);
            false
        }
        Err(error) => {
            log::warn!("{}: not using shader variants {suffix}: {error}", device.caps);
            false
        }
    }
}

/// The largest error of a product whose sizes are not multiples of a tile, by the variants with this suffix.
fn error(device: &Device, suffix: &'static str) -> Result<f64, Error> {
    let (m, n, k) = (37, 70, 19);
    let mut schedule = Schedule::new();
    let [a, b] = [[m, k], [k, n]].map(|shape| schedule.scratch(shape));
    [a, b].into_iter().for_each(|buf| schedule.feed(buf));
    let y = product(&mut schedule, "self-test", a, b, Form::NN, PLAIN);
    schedule.keep(y);
    let device = device.clone().with_policy(VariantPolicy::Only(suffix));
    let mut executors: [Box<dyn Executor>; 2] = [
        Box::new(Gpu::new(device, Memory::default(), Sharing::Off)),
        Box::new(Reference::new(Memory::default(), Sharing::Off)),
    ];
    let mut found = Vec::new();
    for executor in &mut executors {
        let program = executor.prepare(&schedule)?;
        for buf in [a, b] {
            // Irregular values that are exact in half precision: the test is about the shader, not about rounding.
            let values = (0..buf.len()).map(|i| (i * 37 % 64) as f32 / 64.0 - 0.5);
            executor.write(buf, &Array::F32(values.collect()))?;
        }
        let ticket = executor.submit(&[program], 1, &[y])?;
        found.push(executor.wait(ticket)?.remove(0).to_f64());
    }
    let errors = found[0].iter().zip(&found[1]).map(|(found, expected)| (found - expected).abs());
    // Written so that a NaN error is returned, and fails the caller's comparison.
    Ok(errors.fold(0.0, |worst, error| if error <= worst { worst } else { error }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Adapter;
    use crate::gpu::caps::COOPERATIVE;
    use crate::gpu::variants::eligible;

    fn device() -> Device {
        Adapter::best().and_then(|adapter| adapter.open(false)).expect("a Vulkan driver is installed")
    }

    #[test]
    fn supported_features_pass_their_self_test() {
        let device = device();
        for (feature, needs) in [("subgroups", Needs::EightLanes), ("f16", Needs::Half)] {
            let there = device.caps.features.contains(&feature) && (feature == "f16" || device.caps.subgroup == (8, 8));
            if !there {
                println!("{} does not support {feature} as the variants need it", device.caps);
                continue;
            }
            assert!(device.passes_self_test(needs), "{needs:?}");
        }
        if device.caps.cooperative.is_empty() {
            println!("{} has no cooperative matrices", device.caps);
        }
        for side in &device.caps.cooperative {
            assert!(device.passes_self_test(Needs::Cooperative(*side)), "{side}");
        }
    }

    /// The requirements of the variants that a device can run.
    fn eligible_needs(device: &Device) -> Vec<Needs> {
        let mut schedule = Schedule::new();
        let [a, b] = [[8, 8], [8, 8]].map(|shape| schedule.scratch(shape));
        [a, b].into_iter().for_each(|buf| schedule.feed(buf));
        product(&mut schedule, "y", a, b, Form::NN, PLAIN);
        let mut needs: Vec<Needs> =
            eligible(&schedule.calls()[0], &device.caps).iter().map(|variant| variant.needs).collect();
        needs.dedup();
        needs
    }

    /// A variant that does not compile fails its self-test; it is not a panic.
    #[test]
    fn missing_features_fail_their_self_test() {
        let opened =
            Adapter::best().and_then(|adapter| adapter.open_without(&["subgroups", "f16", COOPERATIVE], false));
        let mut device = opened.expect("a Vulkan driver is installed");
        assert_eq!(eligible_needs(&device), [Needs::Nothing, Needs::Tuning, Needs::Quads]);
        // As if the driver had listed them without having them.
        device.caps.features = vec!["subgroups", "f16", COOPERATIVE];
        device.caps.cooperative = vec![8];
        device.caps.subgroup = (8, 8);
        assert!(!device.passes_self_test(Needs::EightLanes));
        assert!(!device.passes_self_test(Needs::Half));
        assert!(!device.passes_self_test(Needs::Cooperative(8)));
    }
}
