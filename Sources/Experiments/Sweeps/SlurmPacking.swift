/// How points become tasks, and tasks arrays.
///
/// A scheduler starts some five tasks a second and sites ask for tasks of ten minutes and more, so a task takes as many
/// points as fill a useful time. Points are dealt out in turn (`SweepShard`), so that each task gets its part of an
/// axis' slow end.
struct SlurmPacking: Equatable {
  let points: Int
  /// The most points of one task.
  let pointsPerTask: Int
  let tasks: Int
  /// The tasks of each array, numbered from 1 over all of them.
  let arrays: [ClosedRange<Int>]
  /// Seconds that a task is expected to take; nil when nothing is known of a point's.
  let taskSeconds: Double?

  /// - Parameters:
  ///   - points: to be run, at least one.
  ///   - secondsPerPoint: of one run; nil gives every place of a task one point.
  ///   - jobs: runs at a time in one task.
  ///   - taskTime: seconds that a task should take.
  ///   - timeLimit: seconds after which Slurm ends a task; half of it is filled at most.
  ///   - arraySize: most tasks of one array.
  init(
    points: Int, secondsPerPoint: Double?, jobs: Int, taskTime: Double, timeLimit: Double? = nil, arraySize: Int
  ) {
    self.points = points
    var each = jobs
    if let secondsPerPoint {
      let target = min(taskTime, timeLimit.map { $0 / 2 } ?? .infinity)
      let rounds = max(1, (target / max(secondsPerPoint, 1e-6)).rounded(.down))
      // Rounds fill every place of a task.
      each = Int(min(Double(points), rounds * Double(jobs)))
    }
    let tasks = (points + each - 1) / max(1, each)
    self.tasks = tasks
    pointsPerTask = (points + tasks - 1) / max(1, tasks)
    taskSeconds = secondsPerPoint.map { [each = pointsPerTask] in $0 * Double((each + jobs - 1) / jobs) }
    let size = max(1, arraySize)
    arrays = stride(from: 1, through: tasks, by: size).map { $0...min(tasks, $0 + size - 1) }
  }

  /// `10,000 points in 12 tasks of up to 834, about 14 min each; 1 array`.
  var description: String {
    var text = "\(grouped(points)) point\(points == 1 ? "" : "s") in \(grouped(tasks)) task\(tasks == 1 ? "" : "s")"
    if tasks < points { text += " of up to \(grouped(pointsPerTask))" }
    if let taskSeconds { text += ", about \(Progress.duration(taskSeconds)) each" }
    return text + "; \(grouped(arrays.count)) array\(arrays.count == 1 ? "" : "s")"
  }
}
