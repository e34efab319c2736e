import Configuration
import Foundation
import Glibc
import Testing

/// A headless Chromium, driven through its DevTools protocol over two pipes (--remote-debugging-pipe): messages are JSON
/// texts that end in a zero byte, to descriptor 3 and from descriptor 4 of the browser.
final class Browser {
  /// CHROMIUM, or what Debian's package and others install; nil if there is none.
  static let binary: String? = {
    let named = ProcessInfo.processInfo.environment["CHROMIUM"]
    let usual = ["chromium", "chromium-browser", "google-chrome"].map { "/usr/bin/\($0)" }
    return ([named].compactMap { $0 } + usual).first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  struct Failure: Error, CustomStringConvertible { var description: String }

  private var process: pid_t = 0
  private let requests: Int32
  private let answers: Int32
  private let profile: String
  private var buffer: [UInt8] = []
  private var number = 0
  private var session: String?
  /// Everything that the page reported: console messages, exceptions, requests.
  private(set) var events: [JSON] = []

  init() throws {
    profile = FileManager.default.temporaryDirectory.path + "/simengine-browser-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: profile, withIntermediateDirectories: true)
    var (there, back): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    guard pipe(&there) == 0, pipe(&back) == 0 else { throw Failure(description: "no pipes") }
    // Kept off 3 and 4, which the child's ends become.
    func high(_ descriptor: Int32) -> Int32 {
      let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 64)
      close(descriptor)
      return copy
    }
    let (childIn, childOut) = (high(there[0]), high(back[1]))
    requests = high(there[1])
    answers = high(back[0])
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, childIn, 3)
    posix_spawn_file_actions_adddup2(&actions, childOut, 4)
    for stream in [1, 2] as [Int32] { posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_WRONLY, 0) }
    let binary = try #require(Self.binary)
    let arguments = [
      binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
      "--user-data-dir=\(profile)",
      "--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
      "--disable-sync", "about:blank",
    ]
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    let failure = posix_spawn(&process, binary, &actions, nil, &words, environ)
    close(childIn)
    close(childOut)
    guard failure == 0 else { throw Failure(description: "\(binary): \(String(cString: strerror(failure)))") }
    let target = try call("Target.createTarget", ["url": "about:blank"])["targetId"]?.string ?? ""
    session = try call("Target.attachToTarget", ["targetId": .string(target), "flatten": true])["sessionId"]?.string
    for domain in ["Page", "Runtime", "Log", "Network"] { _ = try call("\(domain).enable") }
  }

  deinit {
    kill(process, SIGKILL)
    var status: Int32 = 0
    waitpid(process, &status, 0)
    close(requests)
    close(answers)
    try? FileManager.default.removeItem(atPath: profile)
  }

  /// Asks and waits for the answer; what comes in between is kept in `events`.
  @discardableResult
  func call(_ method: String, _ parameters: JSON = [:]) throws -> JSON {
    number += 1
    let id = number
    var message = JSON.object([("id", .integer(id)), ("method", .string(method)), ("params", parameters)])
    if let session { message.set("sessionId", .string(session)) }
    var bytes = Array(message.written().utf8) + [0]
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeMutableBytes { write(requests, $0.baseAddress! + sent, $0.count - sent) }
      guard count > 0 else { throw Failure(description: "the browser went away") }
      sent += count
    }
    while true {
      let answer = try receive(method)
      guard answer["id"]?.int == id else {
        events.append(answer)
        continue
      }
      if let error = answer["error"] { throw Failure(description: "\(method): \(error.written())") }
      return answer["result"] ?? JSON(.null)
    }
  }

  private func receive(_ what: String) throws -> JSON {
    let deadline = Date(timeIntervalSinceNow: 90)
    while true {
      if let end = buffer.firstIndex(of: 0) {
        let message = Array(buffer[..<end])
        buffer.removeSubrange(...end)
        return try JSON.parse(message, dialect: .strict)
      }
      var descriptor = pollfd(fd: answers, events: Int16(POLLIN), revents: 0)
      let patience = deadline.timeIntervalSinceNow
      guard patience > 0, poll(&descriptor, 1, Int32(patience * 1000)) > 0 else {
        throw Failure(description: "\(what): no answer in 90 seconds")
      }
      var chunk = [UInt8](repeating: 0, count: 1 << 20)
      let count = read(answers, &chunk, chunk.count)
      guard count > 0 else { throw Failure(description: "\(what): the browser went away") }
      buffer += chunk[..<count]
    }
  }

  /// Opens a page and waits until it has loaded.
  func open(_ path: String) throws {
    events = []
    try call("Page.navigate", ["url": .string("file://\(path)")])
    while !events.contains(where: { $0["method"]?.string == "Page.loadEventFired" }) {
      events.append(try receive("loading \(path)"))
    }
  }

  /// The value of an expression on the page.
  @discardableResult
  func evaluate(_ expression: String) throws -> JSON {
    let answer = try call("Runtime.evaluate", ["expression": .string(expression), "returnByValue": true])
    if let exception = answer["exceptionDetails"] { throw Failure(description: exception.written()) }
    return answer["result"]?["value"] ?? JSON(.null)
  }

  /// Presses a key, as a keyboard does.
  func press(_ key: String, code: Int, text: String = "") throws {
    for type in ["keyDown", "keyUp"] {
      var event = JSON.object([
        ("type", .string(type)), ("key", .string(key)), ("code", .string(key)),
        ("windowsVirtualKeyCode", .integer(code)),
      ])
      if type == "keyDown", !text.isEmpty { event.set("text", .string(text)) }
      try call("Input.dispatchKeyEvent", event)
    }
  }

  func view(width: Int, height: Int, dark: Bool = false) throws {
    try call(
      "Emulation.setDeviceMetricsOverride",
      ["width": .integer(width), "height": .integer(height), "deviceScaleFactor": 1, "mobile": .bool(width < 600)])
    try call(
      "Emulation.setEmulatedMedia",
      ["features": [["name": "prefers-color-scheme", "value": .string(dark ? "dark" : "light")]]])
  }

  /// The whole page as PNG.
  func picture(to path: String) throws {
    let answer = try call("Page.captureScreenshot", ["format": "png", "captureBeyondViewport": true])
    try decoded(answer).write(to: URL(fileURLWithPath: path))
  }

  /// The page as it is printed.
  func print(to path: String) throws {
    try decoded(call("Page.printToPDF", ["preferCSSPageSize": false, "printBackground": false]))
      .write(to: URL(fileURLWithPath: path))
  }

  private func decoded(_ answer: JSON) throws -> Data {
    try #require(answer["data"]?.string.flatMap { Data(base64Encoded: $0) })
  }

  /// Addresses that the page asked for, the page itself left out.
  var requested: [String] {
    events.filter { $0["method"]?.string == "Network.requestWillBeSent" }
      .compactMap { $0["params"]?["request"]?["url"]?.string }
      .filter { !$0.hasPrefix("file://") && !$0.hasPrefix("data:") }
  }

  /// Messages of the console and errors, in words.
  var complaints: [String] {
    events.filter {
      ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"].contains($0["method"]?.string)
    }.map { $0.written() }
  }
}
