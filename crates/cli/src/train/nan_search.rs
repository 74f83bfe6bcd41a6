//! The search for the first tensor that is not finite.

use crate::io::error::Result;
use crate::run::epoch_plan::{EpochPlan, StepSize, training};
use crate::run::session::Session;
use gpu_core::{Access, Arena, Array, Buf, Dtype, Program, Schedule};
use models::{Phase, in_order};

/// The schedules of a step in order, each with its program.
type Calls = Vec<(Schedule, Program)>;

/// Names the first tensor that is not finite between step `from`, where the session is, and step `broken`; `None` if
/// all tensors are finite. `restore` returns the session to step `from`.
///
/// It runs step by step until a parameter or a loss is not finite, then runs that step again, call by call.
pub(crate) fn first_broken(
    session: &mut Session,
    steps: &EpochPlan,
    lowered: u32,
    [from, broken]: [u64; 2],
    mut restore: impl FnMut(&mut Session) -> Result<()>,
) -> Result<Option<String>> {
    if let Some(name) = broken_parameter(session)? {
        return Ok(Some(format!("{name} is not finite in the checkpoint")));
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
    Ok(found.map(|found| format!("the first tensor is {found}, in step {step}")))
}

/// The calls of the step after step `step`. Puts its images on the device.
fn of_step(
    session: &mut Session,
    steps: &EpochPlan,
    step: u64,
    lowered: u32,
    prepared: &mut Vec<(StepSize, Calls)>,
) -> Result<Calls> {
    let position = steps.at(step);
    session.put_shard(steps, &position)?;
    if let Some((_, calls)) = prepared.iter().find(|(size, _)| *size == position.size) {
        return Ok(calls.clone());
    }
    let phases = session.model.train(position.size.batch, &training(&session.config, position.size, lowered));
    let order = in_order(&phases);
    let mut of_phase = Calls::new();
    for Phase { schedule, .. } in phases {
        let program = session.executor.prepare(&schedule)?;
        of_phase.push((schedule, program));
    }
    let calls: Calls = order.into_iter().map(|phase| of_phase[phase].clone()).collect();
    prepared.push((position.size, calls.clone()));
    Ok(calls)
}

fn run(session: &mut Session, calls: &Calls) -> Result<()> {
    let programs: Vec<Program> = calls.iter().map(|(_, program)| *program).collect();
    let ticket = session.executor.submit(&programs, 1, &[])?;
    Ok(session.executor.wait(ticket).map(|_| ())?)
}

/// The first parameter that is not finite, by its name in a checkpoint.
pub(crate) fn broken_parameter(session: &mut Session) -> Result<Option<String>> {
    for (name, buf) in session.parameter_bufs() {
        if !is_finite(session, buf)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// True if a loss since [`clear_losses`] is not finite.
fn broken_losses(session: &mut Session) -> Result<bool> {
    let ring = session.model.buffers().ring;
    Ok(!is_finite(session, ring)?)
}

/// Clears the ring of losses, which still holds those that were not finite.
fn clear_losses(session: &mut Session) -> Result<()> {
    let ring = session.model.buffers().ring;
    Ok(session.executor.write(ring, &Array::F32(vec![0.0; ring.len()]))?)
}

/// Runs a step call by call, and names the first output that is not finite, with its call.
fn first_broken_call(session: &mut Session, calls: &Calls) -> Result<Option<String>> {
    for (schedule, program) in calls {
        for (index, step) in schedule.calls().iter().enumerate() {
            // A call may write a part of a buffer, whose rest may be not finite from other calls.
            let mut before = Vec::new();
            for buf in step.bufs.iter().filter(|buf| buf.dtype == Dtype::F32) {
                before.push((*buf, is_finite(session, *buf)?));
            }
            session.executor.run_call(*program, index)?;
            for (binding, &buf) in step.kernel.bindings.iter().zip(&step.bufs) {
                let fresh = binding.access == Access::Write || before.contains(&(buf, true));
                if binding.access == Access::Read || !fresh || is_finite(session, buf)? {
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

fn is_finite(session: &mut Session, buf: Buf) -> Result<bool> {
    Ok(match session.executor.read(buf)? {
        Array::F32(values) => values.iter().all(|v| v.is_finite()),
        Array::F64(values) => values.iter().all(|v| v.is_finite()),
        Array::U32(_) => true,
    })
}
