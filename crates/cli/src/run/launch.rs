//! The launcher of several processes, such as `mpirun` or `srun`, known by the variables that it sets.

/// The variables of launchers: the number of processes, and the number of this one. A launcher comes before those that
/// start it.
const VARIABLES: [(&str, &str); 4] = [
    // Open MPI.
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
    // MPICH, Intel MPI, and Slurm with PMI.
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
];

/// A process that a launcher started with others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Launched {
    /// The number of this process, from zero.
    pub rank: usize,
    /// The number of processes, at least two.
    pub ranks: usize,
}

impl Launched {
    /// The commands that start one process, for messages.
    pub const ALONE: &str = "mpirun -n 1, srun -n 1";

    /// This process; `None` if it is alone.
    pub fn of_environment() -> Option<Self> {
        Self::of(|name| std::env::var(name).ok()?.parse().ok())
    }

    fn of(number: impl Fn(&str) -> Option<usize>) -> Option<Self> {
        let found = VARIABLES.iter().find_map(|(ranks, rank)| Some((number(ranks)?, number(rank)?)));
        found.filter(|(ranks, _)| *ranks > 1).map(|(ranks, rank)| Self { rank, ranks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_known_by_their_variables() {
        let of = |variables: &[(&str, usize)]| {
            Launched::of(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, number)| *number))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", 1), ("OMPI_COMM_WORLD_RANK", 0)]), None);
        assert_eq!(of(&[("PMI_SIZE", 4), ("PMI_RANK", 2)]), Some(Launched { rank: 2, ranks: 4 }));
        // `mpirun -n 3` in a batch script that is one task.
        let slurm = [("SLURM_STEP_NUM_TASKS", 1), ("SLURM_PROCID", 0)];
        let open_mpi = [("OMPI_COMM_WORLD_SIZE", 3), ("OMPI_COMM_WORLD_RANK", 1)];
        assert_eq!(of(&[slurm, open_mpi].concat()), Some(Launched { rank: 1, ranks: 3 }));
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", 3)]), None, "without its own number");
    }
}
