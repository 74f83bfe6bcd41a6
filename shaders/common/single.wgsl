// The tiles of tile.wgsl store operands in single precision.

alias Stored = vec4<f32>;
alias StoredScalar = f32;
