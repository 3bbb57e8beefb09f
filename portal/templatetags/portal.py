"""Template tags of the public pages."""

from django import template

from console.links import login_url, root_url

register = template.Library()
register.simple_tag(root_url, name="root")
register.simple_tag(login_url, name="login_address")
