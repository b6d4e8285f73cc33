"""Jobs: one file for each verb of the command line, callable from Python as well."""
