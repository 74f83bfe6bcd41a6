//! Where a run broke: the first tensor that holds a number that is not finite.

use crate::run::epoch_plan::{EpochPlan, StepSize, training};
use crate::run::session::Session;
use anyhow::Result;
use gpu_core::{Access, Arena, Array, Buf, Dtype, Program, Schedule};
use models::{Phase, in_order};

/// The schedules of a step of one size as they run, each with its program.
type Calls = Vec<(Schedule, Program)>;

/// Says which tensor broke first on the way from where the session stands, after `from` steps, to step `broken`; `None`
/// where the way is sound to its end. `restore` puts the session back to `from`.
///
/// Steps are run one at a time until one leaves something broken; that one is then run again, call by call.
pub fn first_broken(
    session: &mut Session,
    steps: &EpochPlan,
    lowered: u32,
    [from, broken]: [u64; 2],
    mut restore: impl FnMut(&mut Session) -> Result<()>,
) -> Result<Option<String>> {
    if let Some(name) = broken_parameter(session)? {
        return Ok(Some(format!("{name} is broken in the checkpoint itself")));
    }
    clear_losses(session)?;
    let mut prepared: Vec<(StepSize, Calls)> = Vec::new();
    let mut step = from;
    while step < broken {
        let calls = of_step(session, steps, step, lowered, &mut prepared)?;
        run(session, &calls)?;
        step += 1;
        if broken_parameter(session)?.is_some() || broken_losses(session)? {
            break;
        }
    }
    restore(session)?;
    for before in from..step.saturating_sub(1) {
        let calls = of_step(session, steps, before, lowered, &mut prepared)?;
        run(session, &calls)?;
    }
    if step == from {
        return Ok(None);
    }
    let calls = of_step(session, steps, step - 1, lowered, &mut prepared)?;
    let found = first_broken_call(session, &calls)?;
    Ok(found.map(|found| format!("{found} broke first, in step {step}")))
}

/// The calls of the step after `step` steps, its images being on the device.
fn of_step(
    session: &mut Session,
    steps: &EpochPlan,
    step: u64,
    lowered: u32,
    prepared: &mut Vec<(StepSize, Calls)>,
) -> Result<Calls> {
    let stand = steps.at(step);
    session.put_shard(steps, &stand)?;
    if let Some((_, calls)) = prepared.iter().find(|(size, _)| *size == stand.size) {
        return Ok(calls.clone());
    }
    let phases = session.model.train(stand.size.batch, &training(&session.config, stand.size, lowered));
    let order = in_order(&phases);
    let mut of_phase = Calls::new();
    for Phase { schedule, .. } in phases {
        let program = session.executor.prepare(&schedule)?;
        of_phase.push((schedule, program));
    }
    let calls: Calls = order.into_iter().map(|phase| of_phase[phase].clone()).collect();
    prepared.push((stand.size, calls.clone()));
    Ok(calls)
}

fn run(session: &mut Session, calls: &Calls) -> Result<()> {
    let programs: Vec<Program> = calls.iter().map(|(_, program)| *program).collect();
    let ticket = session.executor.submit(&programs, 1, &[])?;
    Ok(session.executor.wait(ticket).map(|_| ())?)
}

/// The first parameter that is broken, by its name in a checkpoint.
pub fn broken_parameter(session: &mut Session) -> Result<Option<String>> {
    for (name, buf) in session.parameter_bufs() {
        if !is_sound(session, buf)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether the losses since the ring was cleared are broken.
fn broken_losses(session: &mut Session) -> Result<bool> {
    let ring = session.model.buffers().ring;
    Ok(!is_sound(session, ring)?)
}

/// The ring still has the losses that told of the trouble.
fn clear_losses(session: &mut Session) -> Result<()> {
    let ring = session.model.buffers().ring;
    Ok(session.executor.write(ring, &Array::F32(vec![0.0; ring.len()]))?)
}

/// Runs a step call by call and names what is broken first after one, and the call.
fn first_broken_call(session: &mut Session, calls: &Calls) -> Result<Option<String>> {
    for (schedule, program) in calls {
        for (index, step) in schedule.calls().iter().enumerate() {
            // Where a call writes in part, what lies beside it may be left from other calls.
            let mut left = Vec::new();
            for buf in step.bufs.iter().filter(|buf| buf.dtype == Dtype::F32) {
                left.push((*buf, is_sound(session, *buf)?));
            }
            session.executor.run_call(*program, index)?;
            for (binding, &buf) in step.kernel.bindings.iter().zip(&step.bufs) {
                let fresh = binding.access == Access::Write || left.contains(&(buf, true));
                if binding.access == Access::Read || !fresh || is_sound(session, buf)? {
                    continue;
                }
                let parameter = if buf.id.arena == Arena::Values { broken_parameter(session)? } else { None };
                let name = parameter.unwrap_or_else(|| binding.name.into());
                return Ok(Some(format!("{name} of {} ({})", step.label, step.kernel.name)));
            }
        }
    }
    Ok(None)
}

fn is_sound(session: &mut Session, buf: Buf) -> Result<bool> {
    Ok(match session.executor.read(buf)? {
        Array::F32(values) => values.iter().all(|v| v.is_finite()),
        Array::F64(values) => values.iter().all(|v| v.is_finite()),
        Array::U32(_) => true,
    })
}
