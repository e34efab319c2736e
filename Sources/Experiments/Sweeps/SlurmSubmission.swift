import Configuration
import Datasets
import Glibc

/// What was handed to Slurm at one time: `slurm/<number>.json` in the sweep's folder, written before sbatch is called and
/// again with each job's number.
///
/// Beside it lie `<number>.points`, the runs' ids in the order in which tasks take them in turn, a script for each array
/// and the tasks' logs. It proves nothing of what is done: it says whose tasks to look for in the queue.
struct SlurmSubmission: Equatable {
  struct Array: Equatable {
    /// Its tasks, numbered over all arrays.
    let tasks: ClosedRange<Int>
    let comment: String
    /// nil until sbatch has taken it.
    var job: String?
  }

  let number: Int
  /// The jobs' name.
  let name: String
  let tasks: Int
  /// Ids of runs.
  let points: [String]
  var arrays: [Array]

  /// The points of a task, numbered from 1.
  func points(of task: Int) -> [String] { stride(from: task - 1, to: points.count, by: tasks).map { points[$0] } }

  static func path(_ folder: String, _ number: Int) -> String { "\(folder)/slurm/\(number).json" }

  /// - Throws: `DataError` when it cannot be written.
  func write(to folder: String) throws {
    let json = JSON.object([
      ("name", .string(name)), ("tasks", .integer(tasks)),
      (
        "arrays",
        .array(
          arrays.map { array in
            .object([
              ("first", .integer(array.tasks.lowerBound)), ("last", .integer(array.tasks.upperBound)),
              ("comment", .string(array.comment)), ("job", array.job.map { .string($0) } ?? nil),
            ])
          })
      ),
    ])
    try DurableFile.write(json.written(pretty: true) + "\n", to: Self.path(folder, number))
  }

  /// Writes the list of points that tasks read.
  func writePoints(to folder: String) throws {
    try DurableFile.write(points.joined(separator: "\n") + "\n", to: SlurmScript.list(folder, number))
  }

  /// Reads a submission; nil when it cannot be used.
  init?(folder: String, number: Int) {
    guard let bytes = try? FileBytes.read(Self.path(folder, number)),
      let json = try? JSON.parse(bytes, file: "", dialect: .strict), let name = json["name"]?.string,
      let tasks = json["tasks"]?.int, tasks >= 1, let arrays = json["arrays"]?.array,
      let list = try? FileBytes.read(SlurmScript.list(folder, number))
    else { return nil }
    self.init(number: number, name: name, tasks: tasks, points: SweepList.ids(list), arrays: [])
    for item in arrays {
      guard let first = item["first"]?.int, let last = item["last"]?.int, first >= 1, first <= last,
        let comment = item["comment"]?.string
      else { return nil }
      self.arrays.append(Array(tasks: first...last, comment: comment, job: item["job"]?.string))
    }
  }

  init(number: Int, name: String, tasks: Int, points: [String], arrays: [Array]) {
    (self.number, self.name, self.tasks, self.points, self.arrays) = (number, name, tasks, points, arrays)
  }

  /// Numbers of the submissions in a folder, the earliest first.
  static func numbers(in folder: String) -> [Int] {
    guard let stream = opendir("\(folder)/slurm") else { return [] }
    defer { closedir(stream) }
    var numbers: [Int] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasSuffix(".json"), let number = Int(name.dropLast(5)) { numbers.append(number) }
    }
    return numbers.sorted()
  }
}
