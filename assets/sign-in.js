// Makes the sign-in form nicer; the form works without it.
(() => {
  const form = document.querySelector("form");
  const password = form.elements.password;
  const submit = form.querySelector(".button");
  const label = submit.textContent;

  const show = form.querySelector(".show");
  const reveal = (visible) => {
    password.type = visible ? "text" : "password";
    show.textContent = visible ? "Hide" : "Show";
    show.setAttribute("aria-label", visible ? "Hide password" : "Show password");
  };
  show.hidden = false;
  reveal(password.type === "text");
  show.addEventListener("click", () => {
    reveal(password.type === "password");
    password.focus();
  });

  // Hashing a password takes a moment: say so, and do not ask for it twice. Hidden again first, so
  // that the browser does not remember a password as if it were plain text.
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) return event.preventDefault();
    sent = true;
    reveal(false);
    submit.setAttribute("aria-disabled", "true");
    submit.textContent = "Signing in…";
  });
  addEventListener("pageshow", () => {
    sent = false;
    submit.removeAttribute("aria-disabled");
    submit.textContent = label;
  });

  const wait = document.querySelector("[data-wait]");
  if (wait) {
    const until = Date.now() + 1000 * wait.dataset.wait;
    const tick = setInterval(() => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left > 0) {
        wait.textContent = left === 1 ? "in 1 second" : `in ${left} seconds`;
      } else {
        wait.textContent = "now";
        clearInterval(tick);
      }
    }, 1000);
  }
})();
