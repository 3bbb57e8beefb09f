"""Policy as code: a YAML description of organizations, compared with what is there and made true."""
