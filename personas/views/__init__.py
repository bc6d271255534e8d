"""Pages and forms. A view parses, calls one selector or service, and renders; the same partial serves page and htmx."""
