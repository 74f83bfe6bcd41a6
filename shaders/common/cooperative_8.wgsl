// Cooperative matrices of 8 × 8. It must be the first file of a module because of its enable directives.
enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 8u;
alias Rows = coop_mat8x8<f16, A>;
alias Columns = coop_mat8x8<f16, B>;
alias Sums = coop_mat8x8<f32, C>;
