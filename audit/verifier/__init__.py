"""The program that an auditor takes away; nothing here imports it but tests and the page that offers it."""
