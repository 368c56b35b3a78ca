"""One small module a format: findings in, text out."""
