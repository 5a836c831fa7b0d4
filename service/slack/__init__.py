"""Slack: commands, mentions, shortcuts and buttons in, summaries as Block Kit out.

Imported only where the settings name a workspace: slack-bolt and aiohttp take 34 MiB and a third of a second.
"""
