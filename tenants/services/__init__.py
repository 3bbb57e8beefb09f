"""Write verbs: each checks the permission, changes the rows and sends the domain signal, in one transaction."""
