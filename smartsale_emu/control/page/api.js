// The control API: asked, and followed as things happen. The token stays in this tab.
import { words } from "/words.js";

const API = "/api/v1";
const AGAIN = 1000; // ms until a lost connection is tried again

let token = takeToken(), gaveUp = false;

function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    sessionStorage.setItem("token", found);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token") ?? "";
}

// Send a request. Without the right token the person is asked for it, once for all that wait.
async function send(path, options, more) {
  for (;;) {
    const sent = token;
    const answer = await fetch(API + path, { ...options, headers: token ? { ...more, authorization: `Bearer ${token}` } : more });
    if (answer.status !== 401 || (token === sent && !askForToken())) return answer;
  }
}

function askForToken() {
  const given = gaveUp ? null : prompt(words.token);
  gaveUp = !given;
  if (given) {
    token = given;
    sessionStorage.setItem("token", token);
  }
  return given;
}

// Ask for something; an Error has the API's own words.
export async function ask(method, path, body) {
  const options = body ? { method, body: JSON.stringify(body) } : { method };
  const answer = await send(path, options, body ? { "content-type": "application/json" } : {});
  const told = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(told?.error ?? answer.statusText);
  return told;
}

// Give every event to `take`, for ever; `setAlive` hears whether there is a connection.
export async function followEvents(take, setAlive) {
  let last = 0;
  const taken = (event) => {
    take(event, event.id < last);
    last = event.id;
  };
  for (;;) {
    try {
      const answer = await send(`/events?after=${last}`, {}, {});
      if (!answer.ok) throw new Error(answer.statusText);
      setAlive(true);
      await read(answer.body.pipeThrough(new TextDecoderStream()).getReader(), taken);
    } catch {
      // it is asked again below
    }
    setAlive(false);
    await new Promise((done) => setTimeout(done, AGAIN));
  }
}

async function read(reader, take) {
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const line = block.split("\n").find((one) => one.startsWith("data: "));
      if (line) take(JSON.parse(line.slice(6)));
    }
  }
}
