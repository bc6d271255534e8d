"""What users and commands do: one keyword-only function an action. Services write; selectors read."""
