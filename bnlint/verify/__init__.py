"""Proof of findings: models are built and measured in a child process. The only package that runs the code it judges."""
