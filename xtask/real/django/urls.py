"""A page with a form that Django protects against forgery, and where it leads."""

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.template import Context, Engine
from django.middleware.csrf import get_token
from django.urls import path

PAGE = Engine().from_string("""<!doctype html>
<html lang="en" data-hydrated="yes">
  <title>Django</title>
  <link rel="icon" href="data:,">
  <h1>Django</h1>
  <p id="text">untouched</p>
  <form method="post" action="/post">
    <input type="hidden" name="csrfmiddlewaretoken" value="{{ token }}">
    <input name="word" value="hello" aria-label="word">
    <button id="send">send</button>
  </form>
</html>
""")

DONE = Engine().from_string("""<!doctype html>
<html lang="en">
  <title>Django</title>
  <link rel="icon" href="data:,">
  <p id="done">done {{ word }}</p>
</html>
""")


def index(request):
    """The form; `get_token` also sets the cookie."""
    return HttpResponse(PAGE.render(Context({"token": get_token(request)})))


def post(request):
    """Redirects after the post, to an absolute address as an app that asks for its own would."""
    word = request.POST["word"]
    return HttpResponseRedirect(request.build_absolute_uri(f"/done?word={word}"))


def done(request):
    """Where the form leads."""
    return HttpResponse(DONE.render(Context({"word": request.GET.get("word", "")})))


def about(request):
    """What Django takes for the world around it."""
    return JsonResponse({"absolute": request.build_absolute_uri("/"), "secure": request.is_secure()})


urlpatterns = [path("", index), path("post", post), path("done", done), path("about", about)]
