"""Pictures of text, interfaces, charts, line art and logos, drawn from a seed."""
