"""What the README's figures come from: each beside its baseline, measured in the same run (design.md section 6)."""
