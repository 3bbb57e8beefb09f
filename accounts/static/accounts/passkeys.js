// Forms with data-passkey ask the browser for a passkey before they are sent: "add", "use", or "login" in its place.
(() => {
  "use strict";
  const ADVICE = {
    InvalidStateError: "This device holds a passkey of yours already.",
    NotAllowedError: "No passkey was chosen in time. Try again, or choose another way.",
    SecurityError: "Passkeys work at the portal's own name, over https:// or at http://localhost. Open it there.",
  };
  const FAILED = "The browser could not use a passkey. Try again, or choose another way.";

  const options = async (form) => {
    if (form.dataset.passkey !== "login") return JSON.parse(document.getElementById("passkey-options").textContent);
    const response = await fetch(form.action, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(`The portal answered ${response.status}.`);
    return response.json();
  };

  const answered = async (form) => {
    const asked = await options(form);
    if (form.dataset.passkey !== "add") return webauthnJSON.get(asked.request_options);
    const wanted = asked.creation_options;
    const alone = form.elements.passwordless.checked;
    Object.assign(wanted.publicKey.authenticatorSelection, {
      residentKey: alone ? "required" : "discouraged",
      requireResidentKey: alone,
      ...(alone ? { userVerification: "required" } : {}),
    });
    return webauthnJSON.create(wanted);
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const said = form.querySelector("[data-passkey-said]");
    const say = (text) => {
      said.textContent = text;
      said.hidden = !text;
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = event.submitter ?? form.querySelector("[type=submit]");
      say("");
      if (!window.PublicKeyCredential) return say(ADVICE.SecurityError);
      button.disabled = true;
      try {
        form.elements.credential.value = JSON.stringify(await answered(form));
        form.submit();
      } catch (error) {
        say(ADVICE[error.name] ?? FAILED);
        button.disabled = false;
      }
    });
  }
})();
