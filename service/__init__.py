"""Standfirst: summaries and key quotes of news articles, checked against the article."""

__version__ = "0.1.0"
