"""The HTTP side, which holds no model: routes, uploads, limits, metrics and pages."""
