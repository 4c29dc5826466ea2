"""What is asked of the store: SQL over the public views, plain rows back."""
