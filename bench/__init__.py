"""Benchmarks, and the mock LLM server that they and the tests run against."""
