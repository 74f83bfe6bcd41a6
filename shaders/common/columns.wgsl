// Sums over the columns of a tile in workgroup memory, one value of each of 256 invocations: `columns` of them, and the
// other 256 / columns, the lanes, below each other. Invocation `local` has column local % columns and lane
// local / columns. One invocation adds a column in order, because a barrier costs more than a few additions. All 256
// must call; each gets the sum of its column, and the tile can be reused afterwards. A lane adds rows that follow each
// other: rows 32 apart share one set of a processor's cache.

const COLUMNS: u32 = 8u;

var<workgroup> tile: array<f32, 256>;

// The first row of a lane, and the row after its last.
fn lane_rows(local: u32, columns: u32, rows: u32) -> vec2<u32> {
    let lanes = 256u / columns;
    let each = (rows + lanes - 1u) / lanes;
    let begin = min(local / columns * each, rows);
    return vec2(begin, min(begin + each, rows));
}

fn column_sum(local: u32, columns: u32, value: f32) -> f32 {
    tile[local] = value;
    workgroupBarrier();
    if local < columns {
        var sum = 0.0;
        for (var i = local; i < 256u; i += columns) { sum += tile[i]; }
        tile[local] = sum;
    }
    workgroupBarrier();
    let total = tile[local % columns];
    workgroupBarrier();
    return total;
}
