// Tiles of tile.wgsl keep the operands in half precision: half the workgroup memory and half its traffic, for a
// relative rounding of 2⁻¹¹ of each operand. The first file of a module, because of what it enables.
enable f16;

alias Stored = vec4<f16>;
