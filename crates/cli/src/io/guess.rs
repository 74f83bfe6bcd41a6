//! Guesses at misspelt names.

/// The similarity from which a name is worth a guess, from 0 to 1.
const ALIKE: f64 = 0.6;

/// The known name that is most like `name`, if one is much like it.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let scored = known.into_iter().map(|known| (strsim::normalized_damerau_levenshtein(&name, known), known));
    let best = scored.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, known)| known)
}

/// The rest of a sentence on an unknown name: `; did you mean 'vqvae'?`, or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(name, known).map_or_else(String::new, |known| format!("; did you mean '{known}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_guessed_and_other_names_are_not() {
        let known = ["vae", "vqvae", "dcgan", "classifier"];
        for (name, guess) in [("vqvea", "vqvae"), ("dgcan", "dcgan"), ("VAE", "vae"), ("clasifier", "classifier")] {
            assert_eq!(closest(name, known), Some(guess), "{name}");
        }
        assert_eq!(closest("diffusion", known), None);
        assert_eq!(did_you_mean("vqvea", known), "; did you mean 'vqvae'?");
        assert_eq!(did_you_mean("diffusion", known), "");
    }
}
