// Cooperative matrices of 16 × 16. It must be the first file of a module because of its enable directives.
enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 16u;
alias Rows = coop_mat16x16<f16, A>;
alias Columns = coop_mat16x16<f16, B>;
alias Sums = coop_mat16x16<f32, C>;
