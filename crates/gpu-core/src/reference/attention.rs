//! y = softmax(q kᵀ / √d) v of the heads of qkv [n, m, 3 heads d], and its gradients.

use crate::ops::attention::AttentionParams;
use crate::ops::matmul::MatmulParams;
use crate::reference::matmul::{Threads, dense};
use crate::reference::softmax::{in_place, sum_of_pairs};
use crate::reference::vectorised;
use crate::{Args, Element};
use rayon::prelude::*;

impl AttentionParams {
    /// The channels of all heads.
    fn channels(&self) -> usize {
        (self.heads * self.d) as usize
    }

    /// The channels of a head in q, k and v.
    fn parts(&self, head: usize) -> [usize; 3] {
        let first = head * self.d as usize;
        [0, 1, 2].map(|part| part * self.channels() + first)
    }

    /// The positions of one image and head from `first` of the channels on, [m, d], of rows of `width`.
    fn columns<E: Element>(&self, x: &[E], width: usize, first: usize) -> Vec<E> {
        x.chunks_exact(width).flat_map(|row| &row[first..][..self.d as usize]).copied().collect()
    }

    /// Puts such positions back into rows of `width`.
    fn put_columns<E: Element>(&self, of_head: &[E], x: &mut [E], width: usize, first: usize) {
        let d = self.d as usize;
        let rows = x.chunks_exact_mut(width).zip(of_head.chunks_exact(d));
        rows.for_each(|(row, of_head)| row[first..][..d].copy_from_slice(of_head));
    }

    /// a bᵀ [m, m] of a and b [m, d].
    fn scores<E: Element>(&self, a: &[E], b: &[E], y: &mut [E]) {
        let p = MatmulParams { m: self.m, n: self.m, k: self.d, trans_b: 1, ..Default::default() };
        dense(&p, a, b, 0..self.d as usize, y, false, Threads::One);
    }

    /// w b or, transposed, wᵀ b [m, d], of w [m, m] and b [m, d].
    fn weighted<E: Element>(&self, w: &[E], b: &[E], transposed: bool) -> Vec<E> {
        let mut y = vec![E::zero(); b.len()];
        let p = MatmulParams { m: self.m, n: self.d, k: self.m, trans_a: transposed.into(), ..Default::default() };
        dense(&p, w, b, 0..self.m as usize, &mut y, false, Threads::One);
        y
    }

    /// 1 / √d
    fn scale<E: Element>(&self) -> E {
        E::of(self.d).sqrt().recip()
    }
}

/// prob = softmax(q kᵀ / √d), y = prob v
pub fn attention<E: Element>(args: &mut Args<'_, E>) {
    let p: AttentionParams = args.params();
    let (qkv, prob, y) = (args.read("qkv"), args.write("prob"), args.write("y"));
    let (m, c) = (p.m as usize, p.channels());
    let outputs = prob.par_chunks_mut(p.heads as usize * m * m).zip(y.par_chunks_mut(m * c));
    outputs.zip(qkv.par_chunks(m * 3 * c)).for_each(|((prob, y), qkv)| {
        for (head, prob) in prob.chunks_exact_mut(m * m).enumerate() {
            let [q, k, v] = p.parts(head).map(|first| p.columns(qkv, 3 * c, first));
            p.scores(&q, &k, prob);
            let scale: E = p.scale();
            vectorised(|| {
                for scores in prob.chunks_exact_mut(m) {
                    scores.iter_mut().for_each(|score| *score *= scale);
                    in_place(scores);
                }
            });
            p.put_columns(&p.weighted(prob, &v, false), y, c, p.parts(head)[0]);
        }
    });
}

/// dscore = prob (dprob − Σ_j prob dprob) / √d, with dprob = dy vᵀ
pub fn attention_backward_scores<E: Element>(args: &mut Args<'_, E>) {
    let p: AttentionParams = args.params();
    let (qkv, saved, dy, dscore) = (args.read("qkv"), args.read("saved"), args.read("dy"), args.write("dscore"));
    let (m, c, heads) = (p.m as usize, p.channels(), p.heads as usize);
    let scale: E = p.scale();
    dscore.par_chunks_mut(m * m).zip(saved.par_chunks(m * m)).enumerate().for_each(|(plane, (dscore, prob))| {
        let (image, [first, _, of_v]) = (plane / heads, p.parts(plane % heads));
        let dy = p.columns(&dy[image * m * c..][..m * c], c, first);
        let v = p.columns(&qkv[image * m * 3 * c..][..m * 3 * c], 3 * c, of_v);
        p.scores(&dy, &v, dscore);
        vectorised(|| {
            for (dscore, prob) in dscore.chunks_exact_mut(m).zip(prob.chunks_exact(m)) {
                let mean = E::of(sum_of_pairs(prob, dscore, |prob, dprob| prob * dprob));
                dscore.iter_mut().zip(prob).for_each(|(dscore, &prob)| *dscore = scale * prob * (*dscore - mean));
            }
        });
    });
}

/// dq = dscore k, dk = dscoreᵀ q, dv = probᵀ dy
pub fn attention_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: AttentionParams = args.params();
    let (qkv, saved, dy, dscores) = (args.read("qkv"), args.read("saved"), args.read("dy"), args.read("dscores"));
    let dqkv = args.write("dqkv");
    let (m, c, heads) = (p.m as usize, p.channels(), p.heads as usize);
    dqkv.par_chunks_mut(m * 3 * c).zip(qkv.par_chunks(m * 3 * c)).enumerate().for_each(|(image, (dqkv, qkv))| {
        let dy = &dy[image * m * c..][..m * c];
        for head in 0..heads {
            let plane = (image * heads + head) * m * m;
            let [prob, dscore] = [saved, dscores].map(|planes| &planes[plane..][..m * m]);
            let [of_q, of_k, of_v] = p.parts(head);
            let [q, k] = [of_q, of_k].map(|first| p.columns(qkv, 3 * c, first));
            let dq = p.weighted(dscore, &k, false);
            let dk = p.weighted(dscore, &q, true);
            let dv = p.weighted(prob, &p.columns(dy, c, of_q), true);
            for (of_part, first) in [(dq, of_q), (dk, of_k), (dv, of_v)] {
                p.put_columns(&of_part, dqkv, 3 * c, first);
            }
        }
    });
}
