// Sums over the columns of a tile in workgroup memory: 32 lanes × 8 columns, one value of each of 256 invocations.
// Invocation `local` has column local % 8 and lane local / 8. One invocation adds a column in order, because a barrier
// costs more than a few additions. All 256 must call; each gets the sum of its column, and the tile can be reused
// afterwards. A lane adds rows that follow each other: rows 32 apart share one set of a processor's cache.

const COLUMNS: u32 = 8u;
const LANES: u32 = 32u;

var<workgroup> tile: array<f32, 256>;

// The first row of a lane, and the row after its last.
fn lane_rows(local: u32, rows: u32) -> vec2<u32> {
    let each = (rows + LANES - 1u) / LANES;
    let begin = min(local / COLUMNS * each, rows);
    return vec2(begin, min(begin + each, rows));
}

fn column_sum(local: u32, value: f32) -> f32 {
    tile[local] = value;
    workgroupBarrier();
    if local < COLUMNS {
        var sum = 0.0;
        for (var lane = 0u; lane < LANES; lane++) { sum += tile[COLUMNS * lane + local]; }
        tile[local] = sum;
    }
    workgroupBarrier();
    let total = tile[local % COLUMNS];
    workgroupBarrier();
    return total;
}
