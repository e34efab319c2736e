import Glibc

/// What a task of ours does when Slurm wants its node back.
///
///     SIGTERM    scancel, or pre-emption: the points' checkpoints are written, Slurm requeues the job itself if it will
///     SIGUSR1    the time limit comes near (--signal=B:USR1@120): the same, and the task asks to be requeued
///
/// Either way the process is gone within a moment of the last checkpoint (KillWait is 30 s as a rule).
public enum SlurmTask {
  /// A point that never gets to a checkpoint within the time limit must not be begun for ever.
  static let mostRestarts = 20

  /// Puts the task back into the queue if its time ran out.
  ///
  /// - Returns: a sentence for its log; nil when there was nothing to do.
  public static func requeueWhenOutOfTime() -> String? {
    guard InterruptionFlag.signalNumber == SIGUSR1 else { return nil }
    return requeue(SlurmCommands()) { getenv($0).map { String(cString: $0) } }
  }

  static func requeue(_ commands: SlurmCommands, environment: (String) -> String?) -> String? {
    guard let array = environment("SLURM_ARRAY_JOB_ID"), let index = environment("SLURM_ARRAY_TASK_ID") else {
      return nil
    }
    let task = "\(array)_\(index)"
    let restarts = environment("SLURM_RESTART_COUNT").flatMap { Int($0) } ?? 0
    guard restarts < mostRestarts else {
      return "out of time, and restarted \(restarts) times already: give the tasks more --time"
    }
    do {
      _ = try commands.output("scontrol", ["requeue", task])
      return "out of time: task \(task) goes on when Slurm starts it again"
    } catch { return "out of time, and \(error); --slurm --resume submits what is left" }
  }
}
