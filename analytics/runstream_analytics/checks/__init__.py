"""What `runstream doctor` looks at; each check is one function that returns what it found."""
