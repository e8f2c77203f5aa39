"""Pictures as screens and drawings have them, drawn from a seed: text, interfaces, charts, line art, logos."""
