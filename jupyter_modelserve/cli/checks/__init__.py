"""What ``doctor`` looks at, one function per line of its output."""
