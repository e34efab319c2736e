import Glibc

/// A bar with rate and time left on a terminal; a line now and then otherwise. Goes to standard error.
public final class Progress {
  private let isTerminal: Bool
  private let isQuiet: Bool
  private var title = ""
  private var total = 0
  private var done = 0
  private var unit = ""
  private var startedAt = 0.0
  private var shownAt = 0.0
  private var doneAtStart = 0
  private var barShown = false

  public init(quiet: Bool) {
    isQuiet = quiet
    isTerminal = isatty(2) == 1
  }

  static func now() -> Double {
    var t = timespec()
    clock_gettime(CLOCK_MONOTONIC, &t)
    return Double(t.tv_sec) + Double(t.tv_nsec) * 1e-9
  }

  private static func put(_ text: String) {
    var bytes = Array(text.utf8)
    _ = write(2, &bytes, bytes.count)
  }

  /// Begins something that takes `total` units, of which some may be done already (a run that was resumed).
  public func begin(_ title: String, total: Int, done: Int = 0, unit: String) {
    self.title = title
    self.total = total
    self.done = done
    self.unit = unit
    doneAtStart = done
    startedAt = Self.now()
    // What takes less than two seconds shows nothing.
    shownAt = startedAt + (isTerminal ? 0.3 : 8)
  }

  /// - Parameter note: the latest figures, such as the loss.
  public func advance(by n: Int, note: @autoclosure () -> String = "") {
    done += n
    guard !isQuiet else { return }
    let now = Self.now()
    // In a log, a line that says nothing new is one too many.
    guard now >= shownAt, n > 0 || isTerminal else { return }
    let elapsed = now - startedAt
    // A log of ten hours needs no line every ten seconds.
    shownAt = now + (isTerminal ? 0.1 : max(10, elapsed / 10))
    let rate = Double(done - doneAtStart) / max(elapsed, 1e-9)
    let left = rate > 0 ? Double(total - done) / rate : total > done ? .infinity : 0
    let share = total > 0 ? min(1, Double(done) / Double(total)) : 0
    let figures = "\(brief(rate)) \(unit)/s, \(Self.duration(left)) left\(note().isEmpty ? "" : ", \(note())")"
    if isTerminal {
      let width = 24
      let full = Int(share * Double(width))
      let bar = String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
      Self.put("\r\u{1B}[K\(title) \(bar) \(percent(share)) \(figures)")
      barShown = true
    } else {
      Self.put("\(title): \(percent(share)), \(figures)\n")
    }
  }

  /// Removes the bar; what follows starts on a fresh line.
  public func end() {
    if barShown { Self.put("\r\u{1B}[K") }
    barShown = false
  }

  /// A line that stays.
  public func say(_ line: String) {
    end()
    if !isQuiet { Self.put(line + "\n") }
  }

  private func percent(_ share: Double) -> String { "\(Int(share * 100))%" }

  /// `59 s`, `14 min 30 s`, `3 h 5 min`, `2 d 4 h`.
  static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e12 else { return "?" }
    let s = Int(seconds.rounded(.up))
    if s < 60 { return "\(s) s" }
    if s < 3600 { return "\(s / 60) min \(s % 60) s" }
    return s < 86400 ? "\(s / 3600) h \(s / 60 % 60) min" : "\(s / 86400) d \(s / 3600 % 24) h"
  }

  private func brief(_ x: Double) -> String {
    x >= 1000 ? grouped(Int(x)) : x >= 10 ? "\(Int(x))" : "\((x * 10).rounded() / 10)"
  }

  private func grouped(_ n: Int) -> String {
    n >= 1000 ? "\(grouped(n / 1000)),\(String(n % 1000 + 1000).dropFirst())" : "\(n)"
  }
}

/// Whether the process was asked to stop (SIGINT, SIGTERM, SIGUSR1); looked at between steps.
public enum InterruptionFlag {
  nonisolated(unsafe) private static let flag = UnsafeMutablePointer<sig_atomic_t>.allocate(capacity: 1)

  /// Catches the signals from now on.
  /// - Parameter endsAtSecond: whether a second one, such as another Ctrl-C, ends the process at once.
  public static func install(endsAtSecond: Bool = true) {
    flag.initialize(to: 0)
    self.endsAtSecond = endsAtSecond
    // A parent that blocks signals (a worker thread of a GUI, of a test runner) hands its mask down.
    var mask = sigset_t()
    sigemptyset(&mask)
    // SIGUSR1: schedulers send it some time before they end a job.
    for signalNumber in [SIGINT, SIGTERM, SIGUSR1] { sigaddset(&mask, signalNumber) }
    pthread_sigmask(SIG_UNBLOCK, &mask, nil)
    for signalNumber in [SIGINT, SIGTERM, SIGUSR1] {
      signal(signalNumber) { number in
        if InterruptionFlag.flag.pointee == 0 { InterruptionFlag.flag.pointee = sig_atomic_t(number) }
        if InterruptionFlag.endsAtSecond { signal(number, SIG_DFL) }
      }
    }
    installed = true
  }
  nonisolated(unsafe) private static var installed = false
  nonisolated(unsafe) private static var endsAtSecond = true

  public static var isSet: Bool { installed && flag.pointee != 0 }
  /// The first signal that came; 0 when none did.
  public static var signalNumber: Int32 { installed ? Int32(flag.pointee) : 0 }

  /// - Throws: `Interruption` when the process was asked to stop.
  static func check() throws { if isSet { throw Interruption() } }
}
