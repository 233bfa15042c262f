//! Dev servers that are known by their pages, headers or command lines.
//!
//! Nothing but guesses and extra checks hangs on this: a server that is not known is asked and served by the same
//! rules.

use preview_core::verdict::HostPolicy::{self, Loopback, Preserve};

use super::exchange::Page;

/// A server that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The policy that suits it, as long as it has not been asked.
    pub(crate) guess: HostPolicy,
    /// How its pages hear of edits.
    pub(crate) live_update: Option<LiveUpdate>,
    marks: Marks,
}

/// The WebSocket of live updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LiveUpdate {
    /// At the base path, subprotocol `vite-hmr`.
    Vite,
    /// At `/_next/hmr`, before Next 16 at `/_next/webpack-hmr`.
    Next,
    /// At `/ws`.
    Webpack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    /// Programs, without folder and ending.
    programs: &'static [&'static str],
    /// Beginnings of the headers `Server` and `X-Powered-By`.
    headers: &'static [&'static str],
    /// Parts of a page; one of them is enough.
    page: &'static [&'static str],
}

/// More particular ones first: Nuxt's pages are Vite's too.
const ALL: [Known; 18] = [
    known("next", Loopback, Some(LiveUpdate::Next), &["next", "next-server"], &["Next.js"], &["/_next/"]),
    known("nuxt", Loopback, Some(LiveUpdate::Vite), &["nuxt", "nuxi"], &["Nuxt"], &["/_nuxt/"]),
    known("angular", Loopback, Some(LiveUpdate::Vite), &["ng"], &[], &["<app-root", "ng-version="]),
    known("astro", Loopback, Some(LiveUpdate::Vite), &["astro"], &[], &["content=\"Astro"]),
    known("storybook", Loopback, None, &["storybook"], &[], &["<title>storybook"]),
    known("vite", Loopback, Some(LiveUpdate::Vite), VITE, &[], &["/@vite/client"]),
    known("webpack", Loopback, Some(LiveUpdate::Webpack), WEBPACK, &[], &[]),
    known("parcel", Preserve, None, &["parcel"], &[], &[]),
    known("expo", Preserve, None, &["expo"], &[], &["/node_modules/expo/"]),
    known("django", Loopback, None, &["manage", "django-admin"], &["WSGIServer"], &[]),
    known("flask", Preserve, None, &["flask"], &["Werkzeug"], &[]),
    known("gradio", Preserve, None, &["gradio"], &[], &["gradio_config"]),
    known("streamlit", Preserve, None, &["streamlit"], &[], &["<title>Streamlit"]),
    known("jupyter", Loopback, None, JUPYTER, &[], &["jupyter-config-data"]),
    known("uvicorn", Preserve, None, &["uvicorn", "fastapi"], &["uvicorn"], &[]),
    known("php", Preserve, None, &["php"], &["PHP/"], &[]),
    known("http.server", Preserve, None, &["http.server"], &["SimpleHTTP"], &[]),
    known("bun", Loopback, None, &[], &[], &["/_bun/"]),
];

const VITE: &[&str] = &["vite", "react-router", "svelte-kit", "vinxi", "remix"];
const WEBPACK: &[&str] = &["webpack", "webpack-dev-server", "react-scripts", "vue-cli-service"];
const JUPYTER: &[&str] = &["jupyter", "jupyter-lab", "jupyter-notebook"];

/// How many words of a command line may name the server: `node …/vite.js`, `python -m flask`, `npx --yes next dev`.
const WORDS: usize = 5;

/// The server that such a command line starts.
pub(crate) fn by_command(command: &[String]) -> Option<Known> {
    let programs: Vec<&str> = command.iter().take(WORDS).filter_map(|word| program(word)).collect();
    ALL.into_iter().find(|it| it.marks.programs.iter().any(|program| programs.contains(program)))
}

/// The server that sends such a page.
pub(crate) fn by_page(page: &Page) -> Option<Known> {
    let headers = ["server", "x-powered-by"].map(|name| page.headers.get(name));
    let sent: Vec<&str> = headers.into_iter().flatten().filter_map(|value| value.to_str().ok()).collect();
    let html = String::from_utf8_lossy(&page.html);
    let in_page = |it: &Known| it.marks.page.iter().any(|mark| html.contains(mark));
    let in_headers =
        |it: &Known| it.marks.headers.iter().any(|mark| sent.iter().any(|value| value.starts_with(mark)));
    // What a page says of itself is more than what the program below it says: Gradio runs on uvicorn.
    ALL.into_iter().find(in_page).or_else(|| ALL.into_iter().find(in_headers))
}

/// The base path of a Vite server, by where its page loads the client from.
pub(crate) fn vite_base(page: &Page) -> String {
    let html = String::from_utf8_lossy(&page.html);
    let base = html.split_once("@vite/client").and_then(|(before, _)| before.rsplit(['"', '\'', '`']).next());
    base.filter(|base| base.starts_with('/')).unwrap_or("/").to_owned()
}

const fn known(
    name: &'static str,
    guess: HostPolicy,
    live_update: Option<LiveUpdate>,
    programs: &'static [&'static str],
    headers: &'static [&'static str],
    page: &'static [&'static str],
) -> Known {
    Known { name, guess, live_update, marks: Marks { programs, headers, page } }
}

/// A word's file name without a script's ending; of a process title (`next-server (v16.4.6)`) the first word.
fn program(word: &str) -> Option<&str> {
    let name = word.split(' ').next()?.rsplit('/').next()?;
    let endings = [".js", ".mjs", ".cjs", ".py"];
    Some(endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    use super::*;

    #[test]
    fn command_lines_as_they_were_seen_are_known() {
        for (line, name, guess) in [
            ("node /app/node_modules/.bin/vite --port 3001", "vite", Loopback),
            ("node /app/node_modules/vite/bin/vite.js", "vite", Loopback),
            ("next-server|(v16.4.6)", "next", Loopback),
            ("node /app/node_modules/.bin/next dev", "next", Loopback),
            ("node /app/node_modules/@angular/cli/bin/ng.js serve", "angular", Loopback),
            ("node node_modules/.bin/webpack serve", "webpack", Loopback),
            ("python manage.py runserver 127.0.0.1:8000", "django", Loopback),
            ("/venv/bin/python /venv/bin/flask run", "flask", Preserve),
            ("/venv/bin/python -m uvicorn main:app --reload", "uvicorn", Preserve),
            ("/venv/bin/python /venv/bin/streamlit run app.py", "streamlit", Preserve),
            ("python3 -m http.server 3001", "http.server", Preserve),
            ("php -S localhost:3001", "php", Preserve),
        ] {
            let words: Vec<String> = line.split(' ').map(|word| word.replace('|', " ")).collect();
            let found = by_command(&words).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found.name, found.guess), (name, guess), "{line}");
        }
        for line in ["python app.py", "node server.js", ""] {
            assert_eq!(by_command(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()), None, "{line}");
        }
    }

    #[test]
    fn a_page_says_more_than_the_program_below_it() {
        let name = |server, html| by_page(&page(server, html)).map(|it| it.name);
        assert_eq!(name("uvicorn", "<script>window.gradio_config = {}</script>"), Some("gradio"));
        assert_eq!(name("uvicorn", ""), Some("uvicorn"));
        assert_eq!(name("Werkzeug/3.1.3 Python/3.11", ""), Some("flask"));
        assert_eq!(name("WSGIServer/0.2 CPython/3.11", ""), Some("django"));
        assert_eq!(name("", r#"<script type="module" src="/_nuxt/@vite/client"></script>"#), Some("nuxt"));
        assert_eq!(name("", r#"<script type="module" src="/@vite/client"></script>"#), Some("vite"));
        assert_eq!(name("nginx", "<p>hello</p>"), None);
    }

    #[test]
    fn a_vite_base_is_where_the_client_comes_from() {
        let base = |html| vite_base(&page("", html));
        assert_eq!(base(r#"<script type="module" src="/@vite/client">"#), "/");
        assert_eq!(base(r#"<script type="module" src="/docs/@vite/client">"#), "/docs/");
        assert_eq!(base("import '/app/@vite/client'"), "/app/");
        assert_eq!(base(r#"src="https://cdn.example/@vite/client""#), "/");
        assert_eq!(base("nothing"), "/");
    }

    fn page(server: &'static str, html: &'static str) -> Page {
        let headers = HeaderMap::from_iter([(http::header::SERVER, HeaderValue::from_static(server))]);
        Page { status: 200, headers, html: Bytes::from_static(html.as_bytes()) }
    }
}
