// Tiles of tile.wgsl keep the operands as they are.

alias Stored = vec4<f32>;
