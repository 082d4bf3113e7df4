"""Speed questions: one a file, each answered by ratios measured side by side in one run."""
