// The terms that every optimiser shares: the factor that clips a gradient, and the running average of a weight.

// min(1, clip / (√squares + 10⁻⁶)), where squares = Σ g² over the network; 1 if clip is 0. PyTorch's clip_grad_norm_.
fn clip_scale(clip: f32, squares: f32) -> f32 {
    if clip > 0.0 { return min(1.0, clip / (sqrt(squares) + 1e-6)); }
    return 1.0;
}

// keep · average + (1 − keep) · weight of four weights, with 1 − keep rounded once.
fn running_average(keep: f32, one_minus_keep: f32, average: vec4<f32>, weight: vec4<f32>) -> vec4<f32> {
    return keep * average + one_minus_keep * weight;
}
