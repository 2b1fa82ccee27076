/** The worker as something that is asked and answers. */

export class Helper {
  constructor() {
    this.waiting = new Map();
    this.count = 0;
    this.worker = new Worker("worker.js");
    this.worker.onmessage = ({ data }) => this.answered(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(event.message || "the page's helper did not start");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
  }

  /** Resolves to the answer, or to null where a later wish overtook this one. */
  ask(action, given, progress = () => {}) {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, action, ...given });
    });
  }

  answered({ id, progress, answer, outdated, sentence, fault }) {
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    if (progress !== undefined) {
      waiting.progress(progress);
      return;
    }
    this.waiting.delete(id);
    if (outdated) waiting.resolve(null);
    else if (answer) waiting.resolve(answer);
    else waiting.reject(Object.assign(new Error(fault ?? sentence), sentence ? { sentence } : {}));
  }
}
