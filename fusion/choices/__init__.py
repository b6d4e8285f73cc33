"""What a user chose: checked by name, option and path before any work; built by name."""
