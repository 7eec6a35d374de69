// Logging in, and making an account.
import { at, say } from './dom.js';
import { count } from './words.js';

export class LoginView {
  isNew = false;
  blockedUntil = 0;

  constructor(api, { onLogin }) {
    Object.assign(this, { api, onLogin });
    at('login-switch').onclick = () => { this.isNew = !this.isNew; this.draw(); at('login-email').focus(); };
    at('login-form').onsubmit = (event) => { event.preventDefault(); this.submit(); };
  }

  show(note) {
    this.isNew = false;
    at('login').hidden = false;
    at('login-password').value = '';
    say(at('login-note'), note);
    at('login-note').hidden = note === '';
    this.draw();
    at('login-email').focus();
  }

  draw() {
    at('login-username-field').hidden = !this.isNew;
    at('login-username').required = this.isNew;
    at('login-hint').hidden = !this.isNew;
    at('login-password').autocomplete = this.isNew ? 'new-password' : 'current-password';
    say(at('login-submit'), this.isNew ? 'Make the account' : 'Log in');
    say(at('login-switch-text'), this.isNew ? 'Have one already?' : 'New here?');
    say(at('login-switch'), this.isNew ? 'Log in' : 'Make an account');
    this.complain('');
  }

  complain(text, field = null) {
    say(at('login-error'), text);
    for (const id of ['login-email', 'login-username', 'login-password']) {
      at(id).toggleAttribute('aria-invalid', at(id) === field);
    }
    field?.focus();
  }

  // The first field that cannot be right, and why.
  firstWrong() {
    const [email, username, password] = ['login-email', 'login-username', 'login-password'].map(at);
    if (!/^[^@\s]+@[^@\s]+$/.test(email.value.trim())) {
      return [email, 'An e-mail address is needed, like ann@example.org.'];
    }
    if (this.isNew && username.value.trim() === '') {
      return [username, 'A name is needed; others see it beside what you say.'];
    }
    if (password.value === '' || (this.isNew && new TextEncoder().encode(password.value).length < 8)) {
      return [password, this.isNew ? 'The password needs at least 8 characters.' : 'The password is missing.'];
    }
    return null;
  }

  async submit() {
    const wrong = this.firstWrong();
    if (wrong !== null) {
      this.complain(wrong[1], wrong[0]);
      return;
    }
    const email = at('login-email').value.trim();
    const password = at('login-password').value;
    at('login-submit').disabled = true;
    try {
      const who = await (this.isNew ? this.api.register(email, at('login-username').value.trim(), password)
        : this.api.login(email, password));
      at('login-password').value = '';
      at('login-submit').disabled = false;
      this.onLogin(who, at('login-keep').checked);
    } catch (e) {
      this.refused(e);
    }
  }

  refused(e) {
    if (e.status === undefined) {
      throw e;
    }
    at('login-submit').disabled = false;
    if (e.code === 'rate_limited' && e.retryAfter > 0) {
      this.wait(Date.now() + e.retryAfter * 1000);
    } else {
      this.complain(e.message.replace(/[^.!?]$/, '$&.'));
      at('login-password').focus();
    }
  }

  // Too many tries: the button comes back by itself.
  wait(until) {
    const left = Math.ceil((until - Date.now()) / 1000);
    at('login-submit').disabled = left > 0;
    this.complain(left > 0 ? `Too many tries. The next one is in ${count(left, 'second')}.` : '');
    if (left > 0) {
      setTimeout(() => this.wait(until), 1000);
    }
  }
}
