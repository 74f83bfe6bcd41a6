// The tiles of tile.wgsl store operands in half precision: half the workgroup memory and traffic, for a relative
// rounding error of 2⁻¹¹ of each operand. It must be the first file of a module because of its enable directive.
enable f16;

alias Stored = vec4<f16>;
alias StoredScalar = f16;
