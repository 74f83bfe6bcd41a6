//! What not every device has is tried before it is relied on: drivers have announced subgroups that did not behave.

use crate::device::Device;
use crate::ops::matmul::{Form, PLAIN, product};
use crate::{Array, Cpu, Error, Executor, Gpu, Memory, Needs, Picking, Schedule, Sharing};
use std::sync::OnceLock;

/// What trying each optional means came to, once for a device.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    lanes: OnceLock<bool>,
    half: OnceLock<bool>,
}

impl Device {
    /// Whether variants that need this compute what they should. The first time it is asked, a small product tells.
    pub(crate) fn proved(&self, needs: Needs) -> bool {
        let (once, suffix, tolerance) = match needs {
            Needs::Nothing | Needs::FewColumns => return true,
            Needs::EightLanes => (&self.proofs.lanes, "_lanes", 1e-5),
            Needs::Half => (&self.proofs.half, "_half", 1e-2),
        };
        *once.get_or_init(|| match error(self, suffix) {
            Ok(error) if error < tolerance => true,
            Ok(error) => {
                log::warn!("{}: shaders ending in {suffix} err by {error:e} and are not used", self.caps);
                false
            }
            Err(error) => {
                log::warn!("{}: shaders ending in {suffix} are not used: {error}", self.caps);
                false
            }
        })
    }
}

/// The largest error of a product with edges, by the variants of that suffix.
fn error(device: &Device, suffix: &'static str) -> Result<f64, Error> {
    let (m, n, k) = (37, 70, 19);
    let mut schedule = Schedule::new();
    let [a, b] = [[m, k], [k, n]].map(|shape| schedule.scratch(shape));
    [a, b].into_iter().for_each(|buf| schedule.feed(buf));
    let y = product(&mut schedule, "self-test", a, b, Form::NN, PLAIN);
    schedule.keep(y);
    let device = device.clone().picking(Picking::Only(suffix));
    let mut executors: [Box<dyn Executor>; 2] = [
        Box::new(Gpu::new(device, Memory::default(), Sharing::Off)),
        Box::new(Cpu::new(Memory::default(), Sharing::Off)),
    ];
    let mut found = Vec::new();
    for executor in &mut executors {
        let program = executor.prepare(&schedule)?;
        for buf in [a, b] {
            // Without a pattern, and exact in half precision: what is tested is the shader, not the rounding.
            let values = (0..buf.len()).map(|i| (i * 37 % 64) as f32 / 64.0 - 0.5);
            executor.write(buf, &Array::F32(values.collect()))?;
        }
        let ticket = executor.submit(&[program], 1, &[y])?;
        found.push(executor.wait(ticket)?.remove(0).to_f64());
    }
    let errors = found[0].iter().zip(&found[1]).map(|(found, expected)| (found - expected).abs());
    // A comparison with NaN is false, and so is what it proves.
    Ok(errors.fold(0.0, |worst, error| if error <= worst { worst } else { error }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Adapter;

    fn device() -> Device {
        Adapter::best().and_then(|adapter| adapter.open(false)).expect("a Vulkan driver is installed")
    }

    #[test]
    fn what_a_device_announces_is_proved() {
        let device = device();
        for (feature, needs) in [("subgroups", Needs::EightLanes), ("f16", Needs::Half)] {
            let there = device.caps.features.contains(&feature) && (feature == "f16" || device.caps.subgroup == (8, 8));
            if !there {
                println!("{} has no {feature} of the kind that is needed", device.caps);
                continue;
            }
            assert!(device.proved(needs), "{needs:?}");
        }
    }

    /// A variant that does not even compile is a reason to do without, not to stop.
    #[test]
    fn what_a_device_lacks_is_not_proved() {
        let opened = Adapter::best().and_then(|adapter| adapter.open_without(&["subgroups", "f16"], false));
        let device = opened.expect("a Vulkan driver is installed");
        assert!(!device.proved(Needs::EightLanes));
        assert!(!device.proved(Needs::Half));
    }
}
