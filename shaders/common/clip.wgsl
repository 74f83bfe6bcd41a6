// min(1, clip / (√squares + 10⁻⁶)), where squares = Σ g² over the network; 1 if clip is 0. PyTorch's clip_grad_norm_.
fn clip_scale(clip: f32, squares: f32) -> f32 {
    if clip > 0.0 { return min(1.0, clip / (sqrt(squares) + 1e-6)); }
    return 1.0;
}
